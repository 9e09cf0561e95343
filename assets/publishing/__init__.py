"""Tables, figures and pages, read-only from the sealed file."""
