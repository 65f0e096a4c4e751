"""What every room may use: settings, errors, the clock, identifiers."""
