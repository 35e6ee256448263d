"""From a probability to a decision: tiers, warnings, and the policy that sets their bounds."""
