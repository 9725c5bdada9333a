"""Why a comparison failed: its excess, the sky's part in it, directions, places and maps."""
