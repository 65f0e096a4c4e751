"""special: what R4 names but this server does not offer, and why.

https://hl7.org/fhir/R4/search.html#special. The served types have no parameter of this type.
As every parameter that a server does not support these are ignored, and said to be, or
refused where the client asked for strict handling.
"""

from __future__ import annotations

from collections.abc import Mapping

NOT_OFFERED: Mapping[str, str] = {
    "_content": "there is no full-text index",
    "_text": "there is no full-text index",
    "_filter": "the filter language is not offered",
    "_list": "List is not served",
    "_query": "there are no named queries",
    "_contained": "contained resources are found through their container only",
    "_containedType": "contained resources are found through their container only",
}
