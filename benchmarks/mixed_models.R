# Fits y ~ month * group by patient with lme4 and lmerTest to every CSV file named in a list, and says what each cost.
# Rscript mixed_models.R LIST OUT: LIST has one path a line; OUT gets one JSON line per file and method.
suppressMessages({library(lme4); library(lmerTest)})
arguments <- commandArgs(trailingOnly = TRUE)
quietly <- function(x) suppressWarnings(suppressMessages(x))
cpu <- function() sum(proc.time()[1:2])
number <- function(x) if (is.finite(x)) sprintf("%.17g", x) else "null"
# the best of two optimisers and two restarts, since the default stops short now and then
tightest <- function(f, d, reml) {
  one <- quietly(lme4::lmer(f, d, REML = reml, control = lmerControl(optimizer = "nloptwrap", calc.derivs = FALSE,
    optCtrl = list(xtol_abs = 1e-12, ftol_abs = 1e-13, xtol_rel = 1e-12, ftol_rel = 1e-15, maxeval = 20000))))
  tight <- lmerControl(optimizer = "bobyqa", calc.derivs = FALSE,
    optCtrl = list(rhobeg = 0.02, rhoend = 1e-10, maxfun = 50000))
  two <- quietly(lme4::lmer(f, d, REML = reml, control = tight))
  best <- if (logLik(one) > logLik(two)) one else two
  for (k in 1:2) {
    again <- quietly(lme4::lmer(f, d, REML = reml, start = getME(best, "theta"), control = tight))
    if (logLik(again) >= logLik(best)) best <- again
  }
  best
}
f <- y ~ month * group + (month | patient)
out <- file(arguments[2], "w")
for (path in readLines(arguments[1])) {
  d <- read.csv(path)
  for (reml in c(FALSE, TRUE)) {
    start <- cpu(); m <- quietly(lme4::lmer(f, d, REML = reml)); plain <- cpu() - start
    start <- cpu(); t <- quietly(coef(summary(lmerTest::lmer(f, d, REML = reml)))); tested <- cpu() - start
    best <- if (length(arguments) > 2 && arguments[3] == "fast") m else tightest(f, d, reml)
    row <- t["month:group", ]
    writeLines(sprintf(paste0('{"file": "%s", "reml": %s, "default": %s, "best": %s, "singular": %s, "lme4": %.6f, ',
      '"lmerTest": %.6f, "estimate": %s, "std_error": %s, "df": %s}'), basename(path), tolower(reml),
      number(as.numeric(logLik(m))), number(as.numeric(logLik(best))), tolower(isSingular(best, tol = 1e-4)),
      plain, tested, number(row["Estimate"]), number(row["Std. Error"]), number(row["df"])), out)
  }
}
close(out)
