"""
WHAT SHOULD HAPPEN, as stated by users: matches, rules, the routing tree, steps, people, conditions; stated values and arithmetic on them
belong here, nothing that reads a store or a clock.
"""

from incidentkit.policy._matchtext import parse_match
from incidentkit.policy.book import Book
from incidentkit.policy.durations import format_duration, parse_duration, parse_threshold
from incidentkit.policy.matching import Comparison, Match, Op
from incidentkit.policy.people import STDERR, NotifierFacts, Person, Target, TargetKind, parse_target
from incidentkit.policy.policies import UNSET, Policy, ResolveOn, Step, Unset
from incidentkit.policy.rules import Rule, Triaged, apply_rules, rules_from
from incidentkit.policy.subject import FIELDS, Subject
from incidentkit.policy.titles import Title, parse_title
from incidentkit.policy.tree import DEFAULT, Route, Tree

__all__ = [
    "DEFAULT",
    "FIELDS",
    "STDERR",
    "UNSET",
    "Book",
    "Comparison",
    "Match",
    "NotifierFacts",
    "Op",
    "Person",
    "Policy",
    "ResolveOn",
    "Route",
    "Rule",
    "Step",
    "Subject",
    "Target",
    "TargetKind",
    "Title",
    "Tree",
    "Triaged",
    "Unset",
    "apply_rules",
    "format_duration",
    "parse_duration",
    "parse_match",
    "parse_target",
    "parse_threshold",
    "parse_title",
    "rules_from",
]
