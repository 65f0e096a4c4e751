"""Text to tree to SQL: what a search asks, who may see it, and the rows that answer.

https://hl7.org/fhir/R4/search.html. A resource is indexed and a question is compiled by the
same file for each search parameter type. Nothing is read without a ``Visible``.
"""
