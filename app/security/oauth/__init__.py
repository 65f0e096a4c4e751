"""The authorization server: SMART App Launch 2.2 and Backend Services."""
