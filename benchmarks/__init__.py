"""How long things take, measured side by side, never as a timed test."""
