"""Fetching: how a delivery that nobody sends comes into landing/, where the readers find it like any other."""
