"""A synthetic network calibrated on published numbers: demo, tests, benchmarks."""
