"""Evaluation: findings held against the truth of labelled corpora."""

from tocsin.evaluation.evaluate import Asked, evaluate, score_findings, standard_set
from tocsin.evaluation.report import Report, to_json

__all__ = ["Asked", "Report", "evaluate", "score_findings", "standard_set", "to_json"]
