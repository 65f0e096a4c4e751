"""The only doors to storage: SQL lives here, in ``search`` and in ``db``."""
