package query

// SharedAnswers is the number of answers kept for sharing.
func (e *Engine) SharedAnswers() int {
	e.shared.mu.Lock()
	defer e.shared.mu.Unlock()
	return len(e.shared.answers)
}
