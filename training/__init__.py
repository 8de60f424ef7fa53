"""What is learned: features, fill-rate profiles, the model, calibration, baselines, backtest, scores and tracking."""
