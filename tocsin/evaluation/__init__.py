"""Evaluation: findings held against the truth of labelled corpora."""

from tocsin.evaluation.evaluate import Backtest, evaluate, score_findings, standard_set
from tocsin.evaluation.report import Report, to_json

__all__ = ["Backtest", "Report", "evaluate", "score_findings", "standard_set", "to_json"]
