"""What must hold: keys, row rules, contracts, the gate, expectations and findings."""
