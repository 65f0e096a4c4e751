"""HTML for people: server-rendered, without script, in English and Arabic."""
