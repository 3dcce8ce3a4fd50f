"""Taking tokens: what was bought at an accounts service is spent here, and tells nobody by whom."""
