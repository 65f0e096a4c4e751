"""The standard, as pure functions over plain data: no framework, no database."""
