"""The statistics room: panels, mixed models and what is declared about them. It writes no figures and no pages."""
