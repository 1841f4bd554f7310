"""Families of models, one a file. A new one is a file here and an entry in FAMILIES."""

from forecasting.models.autoreg import AUTOREG
from forecasting.models.hourly import HOURLY
from forecasting.models.seasonal import SEASONAL

FAMILIES = (AUTOREG, SEASONAL, HOURLY)  # of those that save as much, the first is used
