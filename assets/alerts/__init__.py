"""Alerts by e-mail: what to tell whom, how often, and sending it."""
