"""One module for each way in which a unit exports its data."""
