package wire

// encodeTimes writes the times of a block.
func (h *history) encodeTimes(w *bitWriter, times []int64) {
	first := times[0] - (h.time + h.step)
	step := h.step
	if len(times) > 1 {
		step = times[1] - times[0]
	}
	regular := true
	for k := 2; k < len(times); k++ {
		regular = regular && times[k]-times[k-1] == step
	}
	expected := first == 0 && regular && step == h.step
	w.bit(!expected)
	if expected {
		h.time = times[len(times)-1]
		return
	}
	w.bit(!regular)
	if !h.begun {
		w.length(zigzag(first))
	} else {
		w.number(zigzag(first), timeParameter)
		h.step += first
	}
	if regular {
		if len(times) > 1 {
			w.number(uint64(step), timeParameter)
			h.step = step
		}
		h.time = times[len(times)-1]
		return
	}
	h.time = times[0]
	for _, t := range times[1:] {
		w.number(zigzag(t-h.time-h.step), timeParameter)
		h.step = t - h.time
		h.time = t
	}
}

// decodeTimes reads what encodeTimes wrote.
func (h *history) decodeTimes(r *bitReader, times []int64) error {
	regular := true
	first := int64(0)
	stepped := false
	var step int64
	if r.bit() {
		regular = !r.bit()
		if !h.begun {
			first = unzigzag(r.length())
		} else {
			first = unzigzag(r.number(timeParameter))
		}
		if regular && len(times) > 1 {
			step, stepped = int64(r.number(timeParameter)), true
		}
	}
	times[0] = h.time + h.step + first
	if h.begun {
		h.step += first
	}
	if stepped {
		h.step = step
	}
	h.time = times[0]
	for k := 1; k < len(times); k++ {
		if !regular {
			h.step += unzigzag(r.number(timeParameter))
		}
		times[k] = h.time + h.step
		if times[k] <= h.time {
			return r.malformed("time of tick %d is not after the one before", k)
		}
		h.time = times[k]
	}
	return nil
}
