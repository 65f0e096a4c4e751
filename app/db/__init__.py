"""Tables and the two databases. SQLAlchemy describes and builds; the drivers execute."""
