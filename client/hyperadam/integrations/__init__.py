"""Callbacks for training loops that people have. Each module imports its own library, which has to
be there already:

    from hyperadam.integrations.lightning import LearnedOptimizerMonitor
    from hyperadam.integrations.transformers import LearnedOptimizerCallback
"""
