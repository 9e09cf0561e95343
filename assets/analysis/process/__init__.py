"""Process: effects within and between patients, lags, paths, mediation, and dropout that depends on what is unseen."""
