"""Published checkpoints to ours and back, one module a format."""

from jaxrestore.convert.formats import FORMATS, from_state_dict, to_state_dict

__all__ = ["FORMATS", "from_state_dict", "to_state_dict"]
