"""Patches: https://hl7.org/fhir/R4/http.html#patch.

Each module has ``apply(tree, patch)``: a new tree, its inputs unchanged, every number that no
operation touches with the text it had; or ``unprocessable``.
"""
