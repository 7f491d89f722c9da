// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {IERC5643} from "./IERC5643.sol";

/// @title Subscriptions: ERC-721 tokens with an expiry (EIP-5643)
/// @notice A provider registers a plan: what a period costs, how long it is, how far ahead it may be paid,
/// how much a day it includes. Who subscribes gets a token and pays the provider in the same call, so this
/// contract never holds any money.
///
/// Unlike a pass (IPass), a subscription may be given or sold: whoever holds the token is served, and
/// providers count its quota by the token, so the day's rest goes along with it and nothing is doubled.
///
/// The id of a subscription is the hash of plan, first holder and a number of its own choice: buying again
/// under a number that is taken reverts, so a purchase that is sent twice is paid once.
interface ISubscription is IERC721, IERC5643 {
    /// @notice A plan as it was registered. Only `closed` ever changes, and only to true.
    /// @param provider who is paid; zero where there is no such plan
    /// @param period seconds of one period
    /// @param ahead most periods that a subscription may reach ahead of now
    /// @param closed no more is sold or renewed; what was paid for stays
    /// @param token what is paid with
    /// @param quota most calls of one day (UTC) for one subscription; 0 for any number
    /// @param price of one period, in the token's smallest unit
    struct Plan {
        address provider;
        uint48 period;
        uint32 ahead;
        bool closed;
        address token;
        uint64 quota;
        uint128 price;
    }

    event PlanRegistered(uint256 indexed planId, address indexed provider, uint64 number, Plan plan);
    event PlanClosed(uint256 indexed planId);
    event Subscribed(uint256 indexed planId, uint256 indexed tokenId, address indexed holder, uint64 number);
    event Paid(uint256 indexed tokenId, address indexed payer, uint32 periods, uint256 paid);
    event Cancelled(uint256 indexed tokenId);

    /// @notice Period, price, token or periods ahead are zero or too large.
    error BadPlan();
    /// @notice The number is taken by a plan of other terms.
    error OtherPlan(uint256 planId);
    error UnknownPlan(uint256 planId);
    /// @notice The provider has closed the plan.
    error PlanIsClosed(uint256 planId);
    /// @notice Nothing is bought, or more than `most` periods ahead.
    error BadPeriods(uint256 periods, uint32 most);
    /// @notice A duration is a whole number of periods.
    error BadDuration(uint64 duration, uint48 period);
    /// @notice The holder has a subscription of that plan and number already: renew it.
    error AlreadySubscribed(uint256 tokenId);
    /// @notice Cancelled for good; take another number.
    error IsCancelled(uint256 tokenId);
    /// @notice Paid for with tokens only.
    error NoCoins();

    /// @notice Registers a plan of the caller; the same terms again change nothing.
    function register(uint64 number, address token, uint128 price, uint48 period, uint32 ahead, uint64 quota)
        external
        returns (uint256 planId);

    /// @notice Ends the sale of the caller's plan; repeating changes nothing.
    function close(uint64 number) external;

    /// @notice Subscribes the caller from now on for `periods`.
    /// Draws `price * periods` of the plan's token from the caller, who has approved it.
    function subscribe(uint256 planId, uint64 number, uint32 periods) external returns (uint256 tokenId);

    /// @inheritdoc IERC5643
    /// @dev `duration` is a whole number of periods, from now or from the end of what is paid. Anybody may pay
    /// for anybody; the tokens are drawn from the caller.
    function renewSubscription(uint256 tokenId, uint64 duration) external payable;

    /// @inheritdoc IERC5643
    /// @dev By the holder or whom it approved. What is paid for stays until its end, since the money is the
    /// provider's already; nobody can renew it any more, an approved agent with an allowance included.
    function cancelSubscription(uint256 tokenId) external payable;

    function planOf(uint256 planId) external view returns (Plan memory);

    /// @notice A subscription in one question; all zero where there is none.
    function subscriptionOf(uint256 tokenId)
        external
        view
        returns (address holder, uint256 planId, uint48 until, bool cancelled);

    /// @notice The hash of provider and number.
    function planIdOf(address provider, uint64 number) external pure returns (uint256);

    /// @notice The hash of plan, first holder and number.
    function tokenIdOf(uint256 planId, address holder, uint64 number) external pure returns (uint256);
}
