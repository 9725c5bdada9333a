"""How long a campaign takes before it runs: its plan, simulated under the limits of its cluster."""
