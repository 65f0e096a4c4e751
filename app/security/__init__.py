"""Who asks, and may they: tokens, scopes, roles, and the authorization server."""
