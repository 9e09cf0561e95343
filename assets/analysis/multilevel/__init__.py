"""Models whose covariance is richer than effects of the patient: joint scales, trials by visit, sites, therapists."""
