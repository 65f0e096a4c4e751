"""One request to the record, told in order. ``pipeline.py`` is the story."""
