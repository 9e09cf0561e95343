"""The quality pages: what the ledger says about every unit, for the coordinator and for the unit itself."""
