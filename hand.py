"""Hand rule in own loop to see what executors alone can reach (layout given by the bound)."""
import lab, math, time, sys
import numpy as np
from dataclasses import replace
from collections import deque
from sparkiot_policies.controller import Controller
from sparkiot_policies.history import History
from sparkiot_policies.allocation import *
from sparkiot_policies.rules import rule
from sparkiot_policies.decision import PolicyIdentity
from sparkiot_sim.calibration import default_calibration
from sparkiot_sim.work import WorkModel
from multiprocessing import get_context

class Hand:
    identity = PolicyIdentity('hand')
    def __init__(self, s, layout, m=1.0, ka=1.0, kn=1.0, smooth=6, exact=True, hold=0.0):
        self.s, self.layout, self.m, self.ka, self.kn, self.smooth, self.hold = s, layout, m, ka, kn, smooth, hold
        self.preds = deque(maxlen=smooth); self.rates = deque(maxlen=6)
        p = s.profile
        self.model = WorkModel(profile=p, calibration=default_calibration(), allocation=layout)
        tau, T = p.trigger_interval_s, s.job.objectives.latency_target_ms/1000
        self.span, self.budget = (T/2, T/2) if T >= 2*tau else (tau, T-tau)
    def needs(self): return ()
    def unfamiliar(self, e): return ()
    def need(self, rate, e):
        # exact model (cheat on costs)
        p = self.s.profile
        for n in range(1, 21):
            if self.model.batch(rows=rate*self.span, state_mib=0, executors=n, temperature=e.observation.temperature or .5).duration_s <= self.budget: return n
        return 20
    def propose(self, job, e):
        o = e.observation
        rate = o.workload_rate or 0.
        self.rates.append(rate)
        pred = o.predicted_rate if o.predicted_rate is not None else rate
        self.preds.append(pred)
        P = list(self.preds)
        # smooth the forecast: mean of the trailing predictions consistent with the newest
        est = P[-1]; k = 1
        for x in reversed(P[:-1]):
            if abs(x/max(est,1e-9)-1) < 0.25: est = (est*k + x)/(k+1); k += 1
            else: break
        if k == 1 and len(P) > 1 and P[-1] > P[-2]: est *= self.kn   # fresh jump: uncertain
        now = np.mean(list(self.rates)[-2:])
        target = max(now*self.m, est*self.ka)
        n = self.need(target, e)
        bl = o.backlog - 1.0*rate*(o.trigger_interval or 0)
        return replace(self.layout, executors=n)

def one(task):
    cell, kw = task
    s = lab.setting(*cell)
    lb = lab.bounds_known[cell[:5]+('measured',)]
    mem, tier, comp = lb[2]
    layout = Allocation(executors=4, memory_mib=mem*1024, tier=Tier(tier), compression=Compression(comp))
    s = replace(s, job=replace(s.job, initial=layout))
    if kw.get('stab') is not None:
        s = replace(s, job=replace(s.job, limits=replace(s.job.limits, stabilization_s=kw['stab'], cooldown_down_s=kw.get('cd',60.), max_down_factor=kw.get('mdf',.5))))
    kw = {k:v for k,v in kw.items() if k not in ('stab','cd','mdf')}
    e = lab.play(s, Hand(s, layout, **kw))
    sm = e.summary; al=[c.decision.allocation for c in e.cycles]
    return dict(cell=cell, att=100*sm.slo_attainment, cost=sm.cost_dollars, n=np.mean([a.executors for a in al]), mem=mem, fb=0, scal=sm.scalings/s.duration_s*3600, oom=sm.out_of_memory, restarts=0)

if __name__ == '__main__':
    import pickle
    hours=4
    cs = lab.cells(hours=hours, seeds=(1,2), rates=(300,), presets=('edge-small','cloud-coldstart'))
    lab.bounds_known = pickle.load(open('/tmp/train_lab/bounds.pkl','rb'))
    with get_context('fork').Pool(2) as pool:
        for kw in [eval(a) for a in sys.argv[1:]]:
            t=time.time()
            rows = pool.map(one, [(c, kw) for c in cs], chunksize=1)
            for r in rows:
                lb = lab.bounds_known[r['cell'][:5]+('measured',)]
                r['ratio']=r['cost']/lb[0]; r['gap']=100*lb[1]-r['att']; r['lb']=lb
            lab.table(rows, str(kw)); print(round(time.time()-t))
