"""What is known: instruments, and the models of instrument, network, site, schedule and analysis."""
