"""Proposing a site's declaration from a sample of its export; nothing here decides anything, a person reads it."""
