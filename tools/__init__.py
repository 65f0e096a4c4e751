"""What a maintainer runs by hand; nothing here is part of the server."""
