"""Campaign files: text to models, keys to places."""

from socm.config.document import Document
from socm.config.load import LoadedCampaign, load_campaign
from socm.config.reading import read_document

__all__ = ["Document", "LoadedCampaign", "load_campaign", "read_document"]
