def narrative_problems(div: str) -> list[str]:
    try:
        from app.fhir.narrative import problems
    except ImportError:
        return []
    return problems(div)
