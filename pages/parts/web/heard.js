// What is said while the page still works on the last: of two messages that wait only the later one stays. So all that was not heard is said again, numbered;
// the page heeds a number once, and says which it heard last (press.py). Numbers are times, as a component that is drawn anew goes on from them.
function saying(state, send, heard) {
  state.unheard = (state.unheard ?? []).filter(([number]) => number > heard);
  state.say = (event, value) => {
    state.number = Math.max(Date.now(), (state.number ?? 0) + 1);
    state.unheard.push([state.number, value]);
    send(event, state.unheard);
  };
}
