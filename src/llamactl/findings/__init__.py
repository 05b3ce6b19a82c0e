"""The catalogue of findings and checks: ids, titles, hints, explanations."""
