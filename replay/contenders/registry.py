"""Every contender of a tournament. The first is ours, which the others are compared with."""

from replay.contenders import dynamo, hpa_in_flight, llmd_slo, outrider, reactive, token_rate
from replay.contenders.contender import Entry

CONTENDERS: tuple[Entry, ...] = (
    outrider.ENTRY,
    reactive.ENTRY,
    hpa_in_flight.ENTRY,
    token_rate.ENTRY,
    llmd_slo.ENTRY,
    dynamo.ENTRY,
)
