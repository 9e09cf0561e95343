# Reference results for made_counts.csv (synthetic); R 4.2.2, geepack, MASS, lme4. Writes made_counts.json.
suppressMessages({library(jsonlite); library(geepack); library(MASS); library(lme4)})
d <- read.csv("made_counts.csv"); d$off <- log(d$days); f <- acts ~ arm + months + offset(off)
pick <- function(b, s) list(coef = unname(b), se = unname(s)); out <- list(gee = list())
for (cs in c("independence", "exchangeable", "ar1")) {
  g <- geeglm(f, id = patient_id, data = d, family = poisson, corstr = cs, control = geese.control(epsilon = 1e-10, maxit = 200)); s <- summary(g)
  out$gee[[cs]] <- c(pick(coef(g), s$coef[, 2]), list(scale = s$dispersion[1, 1], corr = if (nrow(s$corr)) s$corr[1, 1]))
}
p <- glm(f, poisson, d); n <- MASS::glm.nb(f, d, control = glm.control(epsilon = 1e-12, maxit = 100))
out$glm_poisson <- c(pick(coef(p), sqrt(diag(vcov(p)))), list(logLik = as.numeric(logLik(p))))
out$glm_nb <- c(pick(coef(n), sqrt(diag(vcov(n)))), list(theta = n$theta, logLik = as.numeric(logLik(n))))
ctl <- glmerControl(optimizer = "bobyqa", tolPwrss = 1e-12, optCtrl = list(rhoend = 1e-9)); m <- update(f, . ~ . + (1 | patient_id))
mixed <- function(g) c(pick(fixef(g), sqrt(diag(as.matrix(vcov(g))))), list(var = VarCorr(g)$patient_id[1], logLik = as.numeric(logLik(g))))
out$laplace <- mixed(glmer(m, d, poisson, control = ctl)); out$agq9 <- mixed(glmer(m, d, poisson, nAGQ = 9, control = ctl))
b <- suppressWarnings(glmer.nb(m, d, control = ctl, nb.control = list(tol = 1e-8))); out$nb_laplace <- c(mixed(b), list(theta = getME(b, "glmer.nb.theta")))
write_json(out, "made_counts.json", digits = 12, auto_unbox = TRUE, null = "null")
