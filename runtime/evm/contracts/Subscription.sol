// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IERC5643} from "./IERC5643.sol";
import {ISubscription} from "./ISubscription.sol";

/// @title Subscriptions: ERC-721 tokens with an expiry (EIP-5643)
/// @dev No owner, no proxy, no upgrade, no balance. State changes before tokens move, and a mint calls
/// nobody, so who comes back in pays for what it does there like anybody else.
contract Subscription is ISubscription, ERC721 {
    using SafeERC20 for IERC20;

    /// @notice Longest period, and furthest ahead, so that no sum of times leaves uint48.
    uint48 public constant PERIOD_MAX = 366 days;
    uint32 public constant AHEAD_MAX = 1_000;

    struct Term {
        uint256 planId;
        uint48 until;
        bool cancelled;
    }

    mapping(uint256 planId => Plan) private _plans;
    mapping(uint256 tokenId => Term) private _terms;

    constructor() ERC721("AIGEN Subscription", "AIGENSUB") {}

    // ---------------------------------------------------------------- plans

    /// @inheritdoc ISubscription
    function register(uint64 number, address token, uint128 price, uint48 period, uint32 ahead, uint64 quota)
        external
        returns (uint256 planId)
    {
        if (token == address(0) || price == 0 || period == 0 || period > PERIOD_MAX || ahead == 0 || ahead > AHEAD_MAX) {
            revert BadPlan();
        }
        planId = planIdOf(msg.sender, number);
        Plan memory known = _plans[planId];
        Plan memory plan = Plan(msg.sender, period, ahead, known.closed, token, quota, price);
        if (known.provider != address(0)) {
            if (keccak256(abi.encode(known)) != keccak256(abi.encode(plan))) revert OtherPlan(planId);
            return planId;
        }
        _plans[planId] = plan;
        emit PlanRegistered(planId, msg.sender, number, plan);
    }

    /// @inheritdoc ISubscription
    function close(uint64 number) external {
        uint256 planId = planIdOf(msg.sender, number);
        Plan storage plan = _known(planId);
        if (plan.closed) return;
        plan.closed = true;
        emit PlanClosed(planId);
    }

    // ---------------------------------------------------------------- subscriptions

    /// @inheritdoc ISubscription
    function subscribe(uint256 planId, uint64 number, uint32 periods) external returns (uint256 tokenId) {
        _known(planId);
        tokenId = tokenIdOf(planId, msg.sender, number);
        if (_terms[tokenId].planId != 0) revert AlreadySubscribed(tokenId);
        _terms[tokenId].planId = planId;
        // Without asking the receiver: it bought for itself, and a callback would be a way in.
        _mint(msg.sender, tokenId);
        emit Subscribed(planId, tokenId, msg.sender, number);
        _extend(tokenId, periods);
    }

    /// @inheritdoc ISubscription
    function renewSubscription(uint256 tokenId, uint64 duration) external payable {
        if (msg.value != 0) revert NoCoins();
        _requireOwned(tokenId);
        uint48 period = _plans[_terms[tokenId].planId].period;
        if (duration % period != 0) revert BadDuration(duration, period);
        _extend(tokenId, duration / period);
    }

    /// @inheritdoc ISubscription
    function cancelSubscription(uint256 tokenId) external payable {
        if (msg.value != 0) revert NoCoins();
        _checkAuthorized(_requireOwned(tokenId), msg.sender, tokenId);
        if (_terms[tokenId].cancelled) return;
        _terms[tokenId].cancelled = true;
        emit Cancelled(tokenId);
    }

    /// @dev From now or from the end of what is paid, and never further ahead than the plan has it.
    function _extend(uint256 tokenId, uint256 periods) private {
        Term storage term = _terms[tokenId];
        Plan memory plan = _plans[term.planId];
        if (term.cancelled) revert IsCancelled(tokenId);
        if (plan.closed) revert PlanIsClosed(term.planId);
        if (periods == 0 || periods > plan.ahead) revert BadPeriods(periods, plan.ahead);
        uint256 from = term.until > block.timestamp ? term.until : block.timestamp;
        uint256 until = from + plan.period * periods;
        if (until > block.timestamp + uint256(plan.period) * plan.ahead) revert BadPeriods(periods, plan.ahead);
        term.until = uint48(until);
        uint256 paid = plan.price * periods;
        emit SubscriptionUpdate(tokenId, uint64(until));
        emit Paid(tokenId, msg.sender, uint32(periods), paid);
        IERC20(plan.token).safeTransferFrom(msg.sender, plan.provider, paid);
    }

    function _known(uint256 planId) private view returns (Plan storage plan) {
        plan = _plans[planId];
        if (plan.provider == address(0)) revert UnknownPlan(planId);
    }

    // ---------------------------------------------------------------- reads

    /// @inheritdoc IERC5643
    function expiresAt(uint256 tokenId) external view returns (uint64) {
        return _terms[tokenId].until;
    }

    /// @inheritdoc IERC5643
    function isRenewable(uint256 tokenId) external view returns (bool) {
        Term memory term = _terms[tokenId];
        return term.planId != 0 && !term.cancelled && !_plans[term.planId].closed;
    }

    /// @inheritdoc ISubscription
    function planOf(uint256 planId) external view returns (Plan memory) {
        return _plans[planId];
    }

    /// @inheritdoc ISubscription
    function subscriptionOf(uint256 tokenId)
        external
        view
        returns (address holder, uint256 planId, uint48 until, bool cancelled)
    {
        Term memory term = _terms[tokenId];
        return (_ownerOf(tokenId), term.planId, term.until, term.cancelled);
    }

    /// @inheritdoc ISubscription
    function planIdOf(address provider, uint64 number) public pure returns (uint256) {
        return uint256(keccak256(abi.encode(provider, number)));
    }

    /// @inheritdoc ISubscription
    function tokenIdOf(uint256 planId, address holder, uint64 number) public pure returns (uint256) {
        return uint256(keccak256(abi.encode(planId, holder, number)));
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId) public view override(ERC721, IERC165) returns (bool) {
        return interfaceId == type(IERC5643).interfaceId || super.supportsInterface(interfaceId);
    }
}
