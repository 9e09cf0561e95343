# Reference results of the multilevel models; run in this folder: Rscript reference.R
# R 4.2.2, lme4 1.1-31, lmerTest 3.1-3, nlme 3.1-162, on the simulated data of make_csv.py.
suppressMessages({library(lme4); library(lmerTest); library(nlme); library(jsonlite)})
out <- list()
d <- read.csv("three_level.csv")
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5))
models <- list(
  site_intercept = y ~ month * poor + (1 | site) + (1 | patient),
  patient_slope = y ~ month * poor + (1 | site) + (1 + month | patient),
  both_slopes = y ~ month * poor + (1 + month | site) + (1 + month | patient),
  therapist_crossed = y ~ month * poor + (1 | therapist) + (1 | patient))
d$month_raw <- d$month
for (name in names(models)) for (method in c("ML", "REML")) {
  # fitted in years, where lme4's optimiser is safe; then months by dividing
  d$month <- d$month_raw / 12
  m <- lmerTest::lmer(models[[name]], d, REML = method == "REML", control = tight)
  p <- sum(grepl("month", names(fixef(m))))
  co <- as.data.frame(coef(summary(m)))
  power <- ifelse(grepl("month", rownames(co)), 12, 1)
  ll <- as.numeric(logLik(m)) - ifelse(method == "REML", p * log(12), 0)
  out$three_level[[name]][[method]] <- list(
    terms = rownames(co), estimate = co[, "Estimate"] / power, std_error = co[, "Std. Error"] / power,
    df = co[, "df"], p_value = co[, "Pr(>|t|)"], logLik = ll,
    var_years = lapply(VarCorr(m), function(v) as.matrix(v)[, , drop = FALSE]), sigma2 = sigma(m)^2,
    singular = isSingular(m), n = nobs(m))
}
v <- read.csv("visits.csv"); v$m <- factor(v$visit); v$arm <- relevel(factor(v$arm), "usual")
for (method in c("ML", "REML")) {
  g <- gls(y ~ pre + arm * m, v, correlation = corSymm(form = ~ as.integer(m) | patient), weights = varIdent(form = ~ 1 | m),
           method = method, control = glsControl(opt = "nlminb", msMaxIter = 5000, msTol = 1e-14, tolerance = 1e-12, maxIter = 500))
  out$visits[[method]] <- list(terms = names(coef(g)), estimate = as.numeric(coef(g)),
    std_error = as.numeric(sqrt(diag(vcov(g)))), logLik = as.numeric(logLik(g)))
}
w <- read.csv("scales.csv")
l <- do.call(rbind, lapply(c("task", "goal", "bond"), function(k) data.frame(w[, c("patient", "assessment", "month", "poor")], scale = k, y = w[[k]])))
l <- na.omit(l); l$scale <- factor(l$scale, c("task", "goal", "bond")); l$year <- l$month / 12
l <- l[order(l$patient, l$assessment, l$scale), ]
for (method in c("ML", "REML")) {
  m <- lme(y ~ 0 + scale + scale:year + scale:poor + scale:year:poor, l, random = list(patient = pdSymm(~ 0 + scale + scale:year)),
    correlation = corSymm(form = ~ as.integer(scale) | patient / assessment), weights = varIdent(form = ~ 1 | scale),
    method = method, control = lmeControl(opt = "optim", maxIter = 500, msMaxIter = 2000, niterEM = 50, tolerance = 1e-9, msTol = 1e-10))
  names <- names(fixef(m)); power <- ifelse(grepl("year", names), 12, 1)
  ll <- as.numeric(logLik(m)) - ifelse(method == "REML", sum(grepl("year", names)) * log(12), 0)
  out$scales[[method]] <- list(terms = names, estimate = as.numeric(fixef(m)) / power,
    covariance = unname(vcov(m) / outer(power, power)), logLik = ll)
}
write_json(out, "reference.json", digits = NA, auto_unbox = TRUE, pretty = 1)
