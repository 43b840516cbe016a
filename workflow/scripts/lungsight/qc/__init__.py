"""Quality control: scores of every lung mask, automatic decisions, and a person's, which overrule them."""
