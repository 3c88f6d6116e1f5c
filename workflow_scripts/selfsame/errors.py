"""The one exception for mistakes a user can mend: bad config, data or model directory."""


class UserError(Exception):
    """A mistake in what the user supplied. The message is one line: key or file, and the mend."""
