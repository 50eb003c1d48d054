"""What people ask for: status, explanations, repairs, quarantine, adoption, diagnosis."""
