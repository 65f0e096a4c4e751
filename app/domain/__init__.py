"""The clinic, as pure functions: answers, scores, change, ruptures, dyads, episodes.

Modules here do not know each other; what they share stands in ``measure``.
"""
