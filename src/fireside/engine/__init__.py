"""The engine: what moves clusters towards what their owners want, level-triggered.

Observe → decide → record → act → record, for ever. Nothing here remembers how far a cluster got: every look
starts from what is there (the record in the store, what the backend sees, what the nodes answer) and does the next
thing that is missing. Each thing is safe to repeat, so a crash at any point is healed by the next look.

==================  =================================================================================
:mod:`service`      the use cases: what an owner can ask; each is durable when it returns
:mod:`wishes`       what a request means against what there is: create, start, change, nothing
:mod:`supervisor`   the loop: lease, observers, workers, all in one TaskGroup
:mod:`reconciler`   one look at one cluster: observe, decide, record, act
:mod:`decide`       pure: record + observation + readiness + time → status, events, next action
:mod:`running`      pure: the part of it that leads to a usable cluster (order, rolling change, draining, limits)
:mod:`nodes`        pure: the same for one node (deaths, back-off, silence)
:mod:`decision`     the values between looking and acting
:mod:`readiness`    asks nodes whether they can be used
:mod:`roster`       what is remembered of all clusters at once
:mod:`sweep`        ends what carries our id and is in no record
:mod:`queue`        clusters that need a look; merges duplicates, never gives one out twice at once
:mod:`broadcast`    tells followers of a cluster what happened, without polling
:mod:`clock`        time: the system's, and time limits on any clock
==================  =================================================================================

Does not belong here: how nodes are started (backends), how records are kept (stores), HTTP, users' rights.
"""
